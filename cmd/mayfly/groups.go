package main

// The groups of the help text, in its order.
const (
	groupRecord = "record"
	groupRead   = "read"
	groupHost   = "host"
)
