// A program looks at another one every half second, for three slices.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/mayfly-profiler/mayfly/profiler"
)

var errEnough = errors.New("enough")

func main() {
	pid, _ := strconv.Atoi(os.Args[1])
	slices := 0
	o := profiler.StreamOptions{Every: time.Second / 2}
	err := profiler.Stream(context.Background(), pid, o, func(r *profiler.Recording) error {
		fmt.Println(r.Summary.Coverage.Seen > 0, r.Profile.DurationNanos > 0)
		if slices++; slices == 3 {
			return errEnough
		}
		return nil
	})
	fmt.Println(errors.Is(err, errEnough))
}
