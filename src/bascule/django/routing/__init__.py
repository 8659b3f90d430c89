"""From the path of a request to the interface by which its view is called."""
