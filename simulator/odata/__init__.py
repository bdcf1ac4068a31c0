"""OData query options: read by a real parser, refused as the server does, applied to rows in memory."""
