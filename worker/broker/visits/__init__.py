"""What commands do on the broker: on a short connection of their own, beside the workers."""
