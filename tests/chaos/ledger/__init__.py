"""What was asked, what was done and what was said of it; and the verdict on every request."""
