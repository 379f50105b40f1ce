package main

import (
	"fmt"
	"strconv"
	"strings"
)

// percentage is a flag that takes a share as "5%", "0.5%" or "0.05". It is more than 0 and at most 1.
type percentage float64

func (p *percentage) String() string { return strconv.FormatFloat(100*float64(*p), 'g', 4, 64) + "%" }

// Type is the word that the help text shows for the value.
func (p *percentage) Type() string { return "percent" }

// Set parses s.
func (p *percentage) Set(s string) error {
	number, percent := strings.CutSuffix(s, "%")
	v, err := strconv.ParseFloat(number, 64)
	if percent {
		v /= 100
	}
	if err != nil || !(v > 0 && v <= 1) {
		return fmt.Errorf("%q is no share: write 5%% or 0.05", s)
	}
	*p = percentage(v)
	return nil
}
