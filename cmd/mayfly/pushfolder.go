package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"

	"github.com/mayfly-profiler/mayfly/internal/push"
)

// asideSuffix ends the name of a file of the queue that is not sent.
const asideSuffix = ".aside"

// ofQueue is the name of a file of the queue: the breach, or the slice, whose recording it is, the number of the request,
// and whether it is set aside.
var ofQueue = regexp.MustCompile(`^((?:breach|slice)-\d{8}T\d{6}\.\d{3}Z-\d+)\.\d{4}\.push(\.aside)?$`)

func queueName(stem string, request int) string { return fmt.Sprintf("%s.%04d.push", stem, request) }

// queueFolder is the folder of a queue, opened, and what was in it then.
type queueFolder struct {
	*os.Root
	list    []queued // the oldest first
	all     waiting  // with what is set aside
	foreign []string // names of what should be a file of the queue and is none of ours
}

// queued is a recording in the queue.
type queued struct {
	stem         string
	names, aside []string // of files: those that wait, in order, and the others
	bytes        int64    // of all
}

// openQueue opens the folder of a queue, and makes it where it is missing.
func openQueue(e *env, dir string) (*queueFolder, error) {
	root, err := makeFolder(e, dir)
	if err != nil {
		return nil, writeError(dir, err)
	}
	folder := &queueFolder{Root: root}
	entries, err := fs.ReadDir(root.FS(), ".") // sorted by name, which is by time
	if err != nil {
		root.Close()
		return nil, writeError(dir, err)
	}
	for _, entry := range entries {
		m := ofQueue.FindStringSubmatch(entry.Name())
		info, err := entry.Info()
		switch {
		case m == nil || err != nil:
		case !info.Mode().IsRegular() || !ours(e, info):
			folder.foreign = append(folder.foreign, entry.Name())
		default:
			folder.add(m[1], m[2] != "", info)
		}
	}
	return folder, nil
}

func (f *queueFolder) add(stem string, aside bool, info fs.FileInfo) {
	if n := len(f.list); n == 0 || f.list[n-1].stem != stem {
		f.list = append(f.list, queued{stem: stem})
		f.all.recordings++
	}
	r := &f.list[len(f.list)-1]
	if aside {
		r.aside = append(r.aside, info.Name())
	} else {
		r.names = append(r.names, info.Name())
	}
	r.bytes += info.Size()
	f.all.bytes += info.Size()
}

// waits is how much is to be sent.
func (f *queueFolder) waits() (w waiting) {
	for _, r := range f.list {
		if len(r.names) > 0 {
			w.add(r.bytes)
		}
	}
	return w
}

var errNotOurs = errors.New("belongs to somebody else, or is no file")

// read reads a file of the queue, for a server.
func (f *queueFolder) read(e *env, s *push.Server, name string) (*push.Profile, error) {
	file, err := f.OpenFile(name, os.O_RDONLY|openFlags(name), 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if st, err := file.Stat(); err != nil || !st.Mode().IsRegular() || !ours(e, st) { // it is not what was there
		return nil, errors.Join(err, errNotOurs)
	}
	return s.Kept(file)
}
