"""Jobrelay: start-job requests from RabbitMQ, started once in Orchestrator, told as events."""
