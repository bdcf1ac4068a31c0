"""What Jobrelay talks about: pure data and pure decisions. Nothing foreign is imported here."""
