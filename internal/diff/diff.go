// Package diff says whether one set of profiles differs from another, and where.
//
// A profile is a sample of what a program does, so two profiles of one unchanged program differ.
// Subtracting them shows that noise as if it were news. This package compares rows (functions,
// lines, labels, states) the way that other counted samples of many things at once are compared,
// with a model of the noise, an error rate that holds over all rows together, and an answer
// "undecided" for when there is too little data:
//
//  1. Read reads a profile from untrusted bytes. Reduce adds it up by rows.
//  2. Compare takes the reduced profiles of both sides; those of one side are repeats.
//  3. A Result is written by one of Formats.
//
// It sees profiles only, and draws nothing at random.
package diff

import (
	"errors"
	"strings"
)

// ErrNoProfiles is returned when a side is empty.
var ErrNoProfiles = errors.New("no profiles to compare")

// Compare compares two sides. Profiles of one side are repeats of the same thing; with one profile
// a side the blocks of a timeline stand in for repeats, and without a timeline the counts have to
// do. That the profiles cannot be compared is a Result too, with the Outcome Incomparable.
func Compare(before, after []*Profile, o Options) (*Result, error) {
	if len(before) == 0 || len(after) == 0 {
		return nil, ErrNoProfiles
	}
	o = o.withDefaults()
	c := &comparison{o: o, sides: [2][]*Profile{before, after}}
	c.out = &Result{By: o.By.String(), Alpha: o.Alpha, Base: side(before), New: side(after), effect: o.MinEffect}
	columns := c.columns()
	if c.out.Reasons = c.incomparable(columns); len(c.out.Reasons) > 0 {
		c.out.Outcome = Incomparable
		return c.out, nil
	}
	c.index()
	c.rename()
	c.out.folded = c.foldedNames()
	if c.work = c.labour(); c.work != nil {
		c.tables = append(c.tables, c.workTable())
		if t := c.cpuTable(); t != nil {
			c.tables = append(c.tables, t)
		}
	}
	if t := c.duetTable(); t != nil {
		c.tables = append(c.tables, t)
	}
	for _, name := range columns {
		c.tables = append(c.tables, c.tablesOf(name)...)
	}
	if c.roundsDecide() {
		c.decideByRounds()
	}
	c.notes()
	c.workNotes()
	c.differences()
	c.test()
	c.report()
	return c.out, nil
}

// notes says what weakens the answer.
func (c *comparison) notes() {
	t := c.tables[len(c.tables)-1]
	switch {
	case t.blocks():
		c.out.Base.Blocks, c.out.New.Blocks = len(t.side[older].rep), len(t.side[newer].rep)
		c.note("one profile a side: %d blocks of its time stand in for repeats, and what differs between two runs is assumed", blocks)
	case !t.repeats():
		c.note("one profile a side and no timeline: noise is estimated from counts and from the bulk of the rows, which is weaker than repeats")
	}
	if t.plain {
		c.note("no times in these profiles: %s are compared with the noise that repeats show and nothing of counting",
			strings.Join(c.sides[older][0].plain, ", "))
	}
	if !c.timed() {
		c.note("a profile does not say how long it took: no totals by second")
	}
	if c.out.Base.BuildID != "" && c.out.Base.BuildID == c.out.New.BuildID {
		c.note("both sides are the same build (%s)", c.out.Base.BuildID)
	}
}
