"""What the workers of one prefix say to each other, and who of them does what only one may do."""
