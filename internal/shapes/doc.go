// Package shapes holds what mayfly report says against services that know better: the small ones of
// testdata/shapes, on real servers, pools, limiters and clients, each slow for a reason that
// testdata/shapes/truth.json names.
//
// Every test run records a handful of them. All are recorded, with their execution traces, by
//
//	go test -run Shapes ./internal/shapes -shapes.runs 10 -shapes.keep DIR
//
// and what was kept is reported on again, without recording, with -shapes.kept DIR. The test prints
// what was right, and how often answers of some confidence were. A recording is not counted if what
// the clients saw, or the CPU time that the service got, says that the machine made it slow.
package shapes
