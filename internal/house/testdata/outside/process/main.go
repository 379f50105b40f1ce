// A program records another one, whose id is its argument, for two seconds.
package main

import (
	"context"
	"os"
	"strconv"
	"time"

	"github.com/mayfly-profiler/mayfly/profiler"
)

func main() {
	pid, _ := strconv.Atoi(os.Args[1])
	ctx, stop := context.WithCancel(context.Background())
	begin := func(profiler.Summary) { time.AfterFunc(2*time.Second, stop) }
	rec, err := profiler.Record(ctx, pid, profiler.Options{Started: begin})
	if err != nil {
		panic(err)
	}
	rec.Profile.Write(os.Stdout)
}
