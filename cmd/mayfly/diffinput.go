package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/diff"
	"github.com/mayfly-profiler/mayfly/internal/push"
	"github.com/mayfly-profiler/mayfly/internal/query"
	"github.com/mayfly-profiler/mayfly/internal/samples"
)

// Bounds of what servers answer.
const (
	mostFetched  = 256 << 20 // bytes of all profiles together, as they arrive: they are in memory as long as diff runs
	fetchTimeout = 30 * time.Second
)

// diffInput is one profile of a side.
type diffInput struct {
	name string // of a file: its path
	body []byte // of a server; nil: it is a file
}

func fileInputs(paths []string) (all []diffInput) {
	for _, path := range paths {
		all = append(all, diffInput{name: path})
	}
	return all
}

func (in diffInput) read(do func(io.Reader) error) error {
	if in.body == nil {
		return withFile(in.name, do)
	}
	if err := do(bytes.NewReader(in.body)); err != nil {
		return fmt.Errorf("read %w", err)
	}
	return nil
}

func (in diffInput) profile() (p *profile.Profile, err error) {
	err = in.read(func(r io.Reader) error {
		p, err = samples.Read(r, in.name)
		return err
	})
	return p, err
}

func (in diffInput) reduce(o diff.Options) (p *diff.Profile, err error) {
	err = in.read(func(r io.Reader) error {
		p, err = diff.ReduceFrom(r, in.name, o)
		return err
	})
	return p, err
}

// fetcher gets the profiles that arguments name on servers, all by one clock.
type fetcher struct {
	client *query.Client
	now    time.Time
	left   int64 // bytes that may still arrive
	asked  int   // ranges,
	empty  int   // and those without data
}

func newFetcher(headers []string) (*fetcher, error) {
	h, err := push.Header(headers)
	if err != nil {
		return nil, usagef("diff: --header: %w", err)
	}
	client := &query.Client{Header: h, Timeout: fetchTimeout, UserAgent: "mayfly/" + readBuild().Version, Transport: outward()}
	return &fetcher{client: client, now: time.Now(), left: mostFetched}, nil
}

// inputs are the profiles that one argument names: a comma-separated list of servers, files and folders.
func (f *fetcher) inputs(ctx context.Context, arg string) (all []diffInput, err error) {
	if !namesServer(arg) {
		files, err := profileFiles(arg)
		return fileInputs(files), err
	}
	for _, part := range splitList(arg) {
		var more []diffInput
		if query.Is(part) {
			more, err = f.fetch(ctx, part)
		} else {
			var files []string
			files, err = folderFiles(part)
			more = fileInputs(files)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, more...)
	}
	return all, nil
}

// splitList splits at commas, but for those between the braces of a selector.
func splitList(arg string) (all []string) {
	depth, begin := 0, 0
	for i, r := range arg + "," {
		switch {
		case r == '{':
			depth++
		case r == '}':
			depth--
		case r == ',' && (depth <= 0 || i == len(arg)):
			if i > begin {
				all = append(all, arg[begin:i])
			}
			begin = i + 1
		}
	}
	return all
}

// namesServer says whether some of what an argument names is on a server. A file that is called so is named by ./.
func namesServer(arg string) bool {
	for _, part := range splitList(arg) {
		if query.Is(part) {
			return true
		}
	}
	return false
}

// fetch gets the profiles of one address. Of a range that is cut, those pieces that have no data are left out, but not all of them.
func (f *fetcher) fetch(ctx context.Context, address string) (all []diffInput, err error) {
	queries, err := query.Parse(address, f.now)
	if err != nil {
		return nil, usagef("diff: the address of a server: %w", err) // without what may be a secret
	}
	f.asked += len(queries)
	for _, q := range queries {
		body, err := f.client.Fetch(ctx, q, f.left)
		if errors.Is(err, query.ErrNoData) && len(queries) > 1 {
			f.empty++
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read %w", err)
		}
		f.left -= int64(len(body))
		all = append(all, diffInput{name: q.String(), body: body})
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("read %s and %d more: %w", queries[0], len(queries)-1, query.ErrNoData)
	}
	return all, nil
}

// remark says what the profiles are, if any came from a server.
func (f *fetcher) remark() string {
	if f.asked == 0 {
		return ""
	}
	text := "a profile of a server is that of all processes of a service in a range of time, added up"
	if f.empty > 0 {
		text += fmt.Sprintf("; %d of %d ranges have no data and are left out", f.empty, f.asked)
	}
	return text
}
