// Package foreign holds what mayfly promises against programs that nobody of the project wrote.
//
// The programs of testdata know their answer because they were made for it; they cannot show what
// their authors did not think of. Here the targets are real libraries in small programs
// (testdata/foreign, in every test run) and whole servers (make foreign), and the facts are the same
// for all: stacks that end at their root and have no made-up frame, labels on all time of the
// functions that run under them, CPU time that is the kernel's, states that add up to the wall clock.
package foreign
