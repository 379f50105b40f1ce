package sample_test

import (
	"fmt"
	"time"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// A comment of a profile, with its mark or, in recordings of before, without.
func ExampleComment() {
	for _, line := range []string{"#mayfly.samples=1250", "mayfly.end=duration reached"} {
		key, value := sample.Comment(line)
		fmt.Println(key, "is", value)
	}
	// Output:
	// mayfly.samples is 1250
	// mayfly.end is duration reached
}

// A goroutine that lived for 20 ms is counted with those below 21 ms.
func ExampleLifetimeBinOf() {
	bin := sample.LifetimeBinOf(20_000_000)
	fmt.Println(bin, time.Duration(sample.LifetimeBelow(bin)))
	// Output: 29 20.97152ms
}

// Four bins are in each power of two, and the last one has no bound.
func ExampleLifetimeBelow() {
	for _, bin := range []int{0, 1, 2, 3, 4, sample.LifetimeBins - 1} {
		fmt.Println(time.Duration(sample.LifetimeBelow(bin)))
	}
	// Output:
	// 131.072µs
	// 163.84µs
	// 196.608µs
	// 229.376µs
	// 262.144µs
	// 0s
}

// What a goroutine waits for, as the label go.wait_on has it.
func ExampleParseObjects() {
	list, all, err := sample.ParseObjects("chan 0xc00009a060 cap=2 len=2 send")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%#x has %d of %d; all: %t\n", list[0].Addr, list[0].Len, list[0].Cap, all)
	fmt.Println(sample.FormatObjects(list, all))
	// Output:
	// 0xc00009a060 has 2 of 2; all: true
	// chan 0xc00009a060 cap=2 len=2 send
}

func ExampleParseAcceptQueues() {
	for _, q := range sample.ParseAcceptQueues("0.0.0.0:8080 ticks=500 waiting=480 sum=5600 most=34") {
		fmt.Printf("%s: %.1f connections wait on average, %d at most\n", q.Addr, q.Mean(), q.Most)
	}
	// Output: 0.0.0.0:8080: 11.2 connections wait on average, 34 at most
}

func ExampleMostCPU() {
	all := sample.MostCPU([]sample.ExactCPU{
		{Kind: sample.CPUOfProbes, CPU: 2e6, Error: 1e3},
		{Kind: sample.CPUOfLabels, Labels: []sample.Label{{Key: "endpoint", Value: "/a"}}, CPU: 1234567890, Error: 1200000, Stints: 120},
	})
	for _, e := range all {
		fmt.Println(e)
	}
	// Output:
	// endpoint="/a" 1.234568s +-1.2ms, 120 stints
	// probes 2ms +-1µs, 0 stints
}

func ExampleFormatArrivals() {
	text := sample.FormatArrivals([]sample.Arrival{{Came: 1000, Read: 1300}, {Came: 1500, Read: 1520}})
	fmt.Println(text)
	// Output: 1000+300 500+20
}

func ExampleParseArrivals() {
	for _, a := range sample.ParseArrivals("1000+300 500+20") {
		fmt.Printf("came at %d, was read at %d\n", a.Came, a.Read)
	}
	// Output:
	// came at 1000, was read at 1300
	// came at 1500, was read at 1520
}
