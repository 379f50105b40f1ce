package names

import (
	"path"
	"slices"
	"strings"
)

// Package is the import path in the name of a function.
func Package(function string) string {
	function, _, _ = strings.Cut(function, "[") // type arguments
	dir, base := path.Split(function)
	pkg, _, _ := strings.Cut(base, ".")
	return dir + pkg
}

// Internal says whether a package, by its import path, belongs to the Go release rather than to the
// program: the runtime and what lies below the standard library's surface, which moves between
// releases. The closures of functions that packages reach by linkname are in a package "_" since
// Go 1.27 (cmd/compile/internal/ir, closureName).
func Internal(pkg string) bool {
	return pkg == "runtime" || pkg == "sync" || pkg == "_" ||
		strings.HasPrefix(pkg, "runtime/internal/") || strings.HasPrefix(pkg, "internal/")
}

// Moved says whether functions of a package are in another place in another release: those of
// Internal, and packages of which large parts went below the surface: strconv (Go 1.26), what crypto
// computes (1.24, crypto/internal/fips140), HTTP/2 (1.27, net/http/internal/http2), and encoding/json,
// which stands on encoding/json/v2 and jsontext since 1.27, as compress/flate has other methods for each level.
func Moved(pkg string) bool {
	switch pkg {
	case "crypto/tls", "crypto/x509":
		return false
	case "strconv", "net/http/internal/http2", "compress/flate":
		return true
	}
	return Internal(pkg) || strings.HasPrefix(pkg, "crypto/") || pkg == "encoding/json" || strings.HasPrefix(pkg, "encoding/json/")
}

// bundled is how the functions of HTTP/2 began while they were in net/http: net/http.(*http2ClientConn).RoundTrip.
const bundled = "http2"

// MovedFunction says whether a function, by its package and the rest of its name, went elsewhere while its
// package stayed.
func MovedFunction(pkg, name string) bool {
	return pkg == "net/http" && (strings.HasPrefix(name, bundled) || strings.HasPrefix(name, "(*"+bundled))
}

// runtimeAssembly are the runtime's functions in assembly that have no package in their names (TEXT without a middle dot in
// runtime and internal, Go 1.21 to 1.27). They come, go and get packages: aeshashbody has one since 1.27.
var runtimeAssembly = []string{
	"aeshashbody", "callRet", "cmpbody", "countbody", "countbytebody", "crosscall2", "gcWriteBarrier", "gogo", "gosave_systemstack_switch",
	"indexbody", "indexbytebody", "memeqbody", "setg_gcc", "sigtramp",
}

// RuntimeAssembly says whether a function is one of those.
func RuntimeAssembly(name string) bool {
	return slices.Contains(runtimeAssembly, name) || strings.HasPrefix(name, "_rt0_") || strings.HasPrefix(name, "expandAVX512_")
}
