package main

func init() {
	kinds = append(kinds,
		&kind{Name: "keeps", Function: "main.doKeeps", do: doKeeps},
		&kind{Name: "loses", Function: "main.doLoses", do: doLoses},
		&kind{Name: "points", Function: "main.doPoints", do: doPoints})
}

// keeps has no frame, uses the frame pointer register and restores it, from another register.
func keeps(rounds int)

// loses has no frame and leaves data in the frame pointer register. Its callers do not mind: they restore
// that of their own caller. What they call until then saves the data as if it were a frame pointer.
func loses(rounds int)

// points has a frame and uses the frame pointer register as a pointer into it, to words that look
// like a frame: a frame pointer, and a return address.
func points(rounds int)

//go:noinline
func doKeeps() { keeps(20000) }

//go:noinline
func doPoints() { points(20000) }

//go:noinline
func doLoses() {
	loses(20000)
	after(3)
}

// after runs below a frame pointer that is data.
//
//go:noinline
func after(depth int) {
	if depth > 0 {
		after(depth - 1)
		return
	}
	for i := 0; i < 20000; i++ {
		sum = sum*31 + uint64(i)
	}
}

var sum uint64
