"""The only AMQP: connections that come back, the topology, what comes in and what goes out."""
