package main

// A check is one line of the doctor: what was looked at, what was found there, and if that is
// not enough, what a recording lacks because of it and how to mend it.
type check struct {
	Name    string `json:"name"`
	Status  status `json:"status"`
	Found   string `json:"found"`
	Without string `json:"without,omitempty"`
	Remedy  string `json:"remedy,omitempty"`
}

type status string

const (
	ok      status = "ok"
	limited status = "limited" // recording works, but not all of it
	missing status = "missing" // recording does not work
)
