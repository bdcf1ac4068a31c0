"""Which requests have been started, remembered beyond their message."""
