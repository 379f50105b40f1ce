//go:build linux && (amd64 || arm64)

package bpf

import (
	"sync"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
)

// typesKept is for how long the kernel's types are kept after the last program that needed them.
const typesKept = 2 * time.Second

// kernelTypes are the kernel's types, by which programs are fitted to it (BTF). They are read for each set of programs, which is most
// of what it takes to load a small one, and take some megabytes. What is loaded within some moments has them in common: the programs
// of a recording, and of others that begin with it.
var kernelTypes struct {
	mu    sync.Mutex
	cache *btf.Cache
	drop  *time.Timer
}

// withTypes has programs loaded with types that may be there.
func withTypes() *ebpf.CollectionOptions {
	k := &kernelTypes
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.cache == nil {
		k.cache = btf.NewCache()
		k.drop = time.AfterFunc(typesKept, dropTypes)
	}
	k.drop.Reset(typesKept)
	return &ebpf.CollectionOptions{Cache: k.cache}
}

func dropTypes() {
	kernelTypes.mu.Lock()
	defer kernelTypes.mu.Unlock()
	kernelTypes.cache = nil
}
