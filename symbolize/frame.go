package symbolize

// Kind says whose code a frame is.
type Kind uint8

const (
	Unknown Kind = iota // no symbol was found; Func is synthetic
	Go                  // by pclntab
	C                   // anything from ELF symbols: C, C++, Rust, assembly
	VDSO                // code of the kernel's that processes run
	Kernel              // by /proc/kallsyms
	BPF                 // an eBPF program
	JIT                 // code that the process generated while it ran
)

func (k Kind) String() string {
	switch k {
	case Go:
		return "go"
	case C:
		return "c"
	case VDSO:
		return "vdso"
	case Kernel:
		return "kernel"
	case BPF:
		return "bpf"
	case JIT:
		return "jit"
	}
	return "unknown"
}

// Frame is one function at an address.
type Frame struct {
	// Func is the full name, as runtime/pprof writes it, type arguments included. Names from ELF
	// symbols are demangled.
	Func string `json:"func"`
	// SystemName is the name in the symbol table where it differs from Func, else "".
	SystemName string `json:"system_name,omitempty"`
	// File and Line are "?" and 0 for Go code that has none (C and assembly that Go's linker took
	// in), and "" and 0 for all that is not Go.
	File string `json:"file"`
	Line int    `json:"line"`
	// StartLine is the line of the func keyword, 0 when not known (always before Go 1.20).
	StartLine int `json:"start_line,omitempty"`
	// Inlined says that the function was inlined into the next frame.
	Inlined bool `json:"inlined,omitempty"`
	// Wrapper says that the compiler made the function, such as the method of a pointer type for
	// one of its value type, or the closure around a go statement's call. runtime/pprof leaves
	// these out, and so does Resolve.
	Wrapper bool `json:"-"`
	Kind    Kind `json:"-"`
}

// Mapping is a range of addresses in the form that pprof wants it (profile.proto, Mapping).
type Mapping struct {
	Start, Limit, Offset uint64 // as in /proc/PID/maps
	File                 string // "[vdso]", "[kernel.kallsyms]", or the path without " (deleted)"
	// BuildID is the GNU build ID in hex, or without one the first 20 bytes of the SHA-256 of
	// Go's build ID in hex, or "".
	BuildID string
	Kind    Kind // Go, C, VDSO, Kernel, JIT (a memfd without ELF header); Unknown when the file could not be read
}
