// A program looks at another one every half second.
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/mayfly-profiler/mayfly/profiler"
)

func main() {
	pid, _ := strconv.Atoi(os.Args[1])
	ctx, stop := context.WithTimeout(context.Background(), 5*time.Second)
	defer stop()
	err := profiler.Stream(ctx, pid, profiler.Options{Every: time.Second / 2}, func(r *profiler.Recording) error {
		_, err := fmt.Println(r.Summary.Coverage.Seen > 0, r.Profile.DurationNanos > 0)
		return err
	})
	fmt.Println(err)
}
