package proc

import (
	"os"
	"os/exec"
	"testing"
)

// Children beyond those that are followed cost nothing: each had a descriptor that nobody closed, once a second.
func TestFamilyIsBounded(t *testing.T) {
	child := exec.Command("cat")
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer child.Wait()
	defer in.Close()
	p, err := Open(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	f := NewFamily(p)
	defer f.Close()
	if len(f.kin) == 0 {
		t.Fatal("the child is not found (CONFIG_PROC_CHILDREN)")
	}
	f.Close()
	clear(f.kin)
	for pid := range maxFamily {
		f.kin[-pid-1] = &kin{p: p}
	}
	defer clear(f.kin)
	before := descriptors(t)
	for range 20 {
		f.find(p)
	}
	if after := descriptors(t); after > before || len(f.kin) != maxFamily {
		t.Errorf("%d descriptors, were %d; %d processes are followed", after, before, len(f.kin))
	}
}

// descriptors is how many files are open.
func descriptors(t *testing.T) int {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(open)
}
