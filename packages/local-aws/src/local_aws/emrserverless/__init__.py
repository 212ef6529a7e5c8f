"""Amazon EMR Serverless: applications, and job runs that are real Spark processes."""
