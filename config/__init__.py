"""What an operator edits: Celery, the accounts, the servers."""
