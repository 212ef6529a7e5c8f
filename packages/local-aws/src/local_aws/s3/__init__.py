"""S3: moto's, with AWS's rules of public access, and with objects on disk."""
