"""AWS Glue's Data Catalog: databases and tables, which nothing queries here."""
