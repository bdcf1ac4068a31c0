"""What goes wrong: at Orchestrator, with workers, with the broker and on the network."""
