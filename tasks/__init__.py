"""What is done to machines: thin Prefect tasks that open, call one operation, record and close."""
