"""What came of a run: for people, for programs, and a line while it goes on."""
