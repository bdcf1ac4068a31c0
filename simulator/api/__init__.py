"""What each operation of the API does: a handler takes a Call and gives a Reply or raises a Refusal."""
