"""The entry point of the Spark job on EMR Serverless; its modules come with `--py-files`."""

from recsys.spark.job import main

if __name__ == "__main__":
    main()
