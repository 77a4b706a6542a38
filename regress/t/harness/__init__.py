"""What the end-to-end tests and the demo share: a throwaway server, the forwarder as a process,
and readers of both that know nothing of our own encoder."""
