// Package self starts the program that it is part of once more, as a helper that looks at the
// process which started it.
//
// A process cannot sample itself well. A goroutine that ticks needs a P, and in a program that
// keeps all of them busy it gets one 50 times a second; loads of other goroutines' memory race with
// the garbage collector; and when the program crashes, so does its profiler. Another process has
// none of that, and the one executable that is surely there is the program's own. So it is
// executed again (/proc/self/exe, which works for files that were deleted or replaced, too), and
// instead of reaching main it serves.
//
// # What runs in the helper
//
// Go initializes packages in the order of their import paths, each after those that it imports. So
// in the helper the runtime starts, then run the variables and init functions of the standard
// library, of all that package profiler imports, and of those packages of the program that do not
// import it and whose paths sort before it. Then package profiler's init takes over and never returns:
// main.main, the init functions of the main package, and of all packages that import profiler, do
// not run. A program whose early init functions must not run twice can ask Asked in them.
//
// This package imports little, so that it comes early: it takes the private variable out of the
// environment before anyone else looks, and decides what the process is.
//
// # Life and death
//
// The helper ends when its pipe closes, which the kernel does when the parent ends, however it ends;
// and it is killed with it (PR_SET_PDEATHSIG), so even a helper that hangs is gone at once. It never attaches to
// the parent in the sense of ptrace: a crash is not delayed, a core dump looks as always.
package self

import (
	"errors"
	"os"
)

// variable is set for helpers and holds the pid of the process that started it. It is the only thing
// that makes a difference, and it is not enough: the parent must have that pid, and two pipes must be
// open.
const variable = "MAYFLY_HELPER_OF"

// The descriptors of a helper.
const (
	asksFD    = 3
	answersFD = 4
)

// ErrEnded is wrapped by errors about a helper that ended without an answer.
var ErrEnded = errors.New("the helper process ended")

// Server is the helper's side.
type Server struct {
	Parent  int      // pid of the process to look at
	Asks    *os.File // its end says that the helper is to finish
	Answers *os.File
}

var served *Server

// Asked says whether this process is a helper, and returns its side of the pipes.
func Asked() (*Server, bool) { return served, served != nil }

// Exit ends a helper.
func Exit() { os.Exit(0) }
