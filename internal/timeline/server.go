package timeline

import (
	"slices"
	"strings"

	"github.com/mayfly-profiler/mayfly/internal/frameworks"
	"github.com/mayfly-profiler/mayfly/internal/goruntime/names"
)

// handlers are the functions that a server runs once for each request.
var handlers = slices.Concat(names.ServeHTTP, []string{
	"google.golang.org/grpc.(*Server).handleStream",
	"golang.org/x/net/http2.(*serverConn).runHandler",
})

// connections are the functions that serve one request after the other, each with what reads the next one and what answers.
var connections = []struct{ serve, read, answer []string }{
	{names.ServeConn, names.ReadRequest, names.FinishRequest},
	{fasthttpConn, []string{fasthttp + ".(*RequestHeader).", fasthttp + ".(*Request).", fasthttp + ".acquireByteReader", "bufio.(*Reader)."},
		[]string{fasthttp + ".(*Response).", fasthttp + ".writeResponse", "bufio.(*Writer).Flush"}},
}

const fasthttp = "github.com/valyala/fasthttp"

var fasthttpConn = []string{fasthttp + ".(*Server).serveConn*"}

// servers is what the zero Selector looks for.
var servers = slices.Concat(handlers, fasthttpConn)

var (
	flushing = slices.Concat(names.FlushResponse, []string{"golang.org/x/net/http2.(*responseWriter).Flush",
		fasthttp + ".(*Response).writeBodyStream"})
	streaming = slices.Concat(names.Hijacked, []string{"google.golang.org/grpc.(*Server).processStreamingRPC", fasthttp + ".hijackConnHandler",
		"github.com/gorilla/websocket.(*Upgrader).Upgrade"})
)

// Since grpc-go 1.85 calls of both kinds go through one function, and those with one answer through another one behind it. The
// handler that protoc-gen-go-grpc generates says that the call is with the program: _Health_Watch_Handler.
var anyCall = []string{"google.golang.org/grpc.(*Server).processRPC"}

// unary holds for a closure, wherever it was inlined: grpc.(*Server).register.(*Server).wrapUnaryHandler.func1.
func (t *Timeline) unary(f Frame) bool {
	return strings.Contains(t.Funcs[f.Fn].Name, "(*Server).wrapUnaryHandler.")
}

func (t *Timeline) generated(f Frame) bool {
	name := t.Funcs[f.Fn].Name
	return strings.HasSuffix(name, "_Handler") && strings.HasPrefix(name[len(t.Funcs[f.Fn].Pkg):], "._")
}

// marksOf reads a stack.
func (t *Timeline) marksOf(frames []Frame) (m marks) {
	add := func(list []string, bit marks) {
		if t.onAny(frames, list) {
			m |= bit
		}
	}
	add(handlers, handles)
	add(flushing, flushes)
	add(streaming, streams)
	add(names.ProfileHandlers, profiling)
	add(names.Exchange, exchanges)
	add(names.ReadAhead, readsAhead)
	add(perCall, oneCall)
	add(senders, sends)
	if t.onAny(frames, anyCall) && slices.ContainsFunc(frames, t.generated) && !slices.ContainsFunc(frames, t.unary) {
		m |= streams
	}
	for _, c := range connections {
		at := slices.IndexFunc(frames, func(f Frame) bool { return names.Match(t.Funcs[f.Fn].Name, c.serve) })
		if at < 0 {
			continue
		}
		m |= keeps
		add(c.answer, answers)
		if m&handles == 0 && t.handled(frames[:at]) {
			m |= handles
		}
		if m&handles == 0 && t.onAny(frames[:at], c.read) {
			m |= reads
		}
	}
	if m&(handles|answers) == 0 {
		m |= outside
	}
	if t.plays(frames, frameworks.Serves) || t.plays(frames, frameworks.Accepts) {
		m |= listens
	}
	return m
}

// handled says whether fasthttp has called a handler: the function that serveConn calls then is neither its own nor of a package
// that it reads and writes with.
func (t *Timeline) handled(frames []Frame) bool {
	if len(frames) == 0 {
		return false
	}
	f := t.Funcs[frames[len(frames)-1].Fn]
	if f.Pkg == fasthttp {
		return strings.Contains(f.Name, "Handler")
	}
	return !slices.Contains(plumbing, f.Pkg) && !slices.Contains(names.WaitPackages, f.Pkg)
}

// plumbing is what a server's loop calls for itself.
var plumbing = []string{"bufio", "bytes", "crypto/tls", "errors", "fmt", "io", "net", "net/http", "strings", "time"}

func (t *Timeline) onAny(frames []Frame, list []string) bool {
	return slices.ContainsFunc(frames, func(f Frame) bool { return names.Match(t.Funcs[f.Fn].Name, list) })
}
