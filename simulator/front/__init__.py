"""The HTTP front: finds the tenant and the route of a request, lets faults strike, and answers."""
