package fold

import (
	"path"
	"strconv"

	"github.com/mayfly-profiler/mayfly/internal/goruntime/names"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
	"github.com/mayfly-profiler/mayfly/symbolize"
)

// creator is the go statement that started the goroutine of a sample, or nil if that is not known.
func (b *Builder) creator(s *sample.Sample) *creator {
	if s.Created == 0 {
		return nil
	}
	c, ok := b.creators.at[s.Created]
	if !ok && len(b.creators.at) < maxCreators {
		c = b.creators.new(s.Created, b.callSite(s.Created))
		b.creators.at[s.Created] = c
	}
	return c
}

func (k *creators) new(created uint64, at *site) *creator {
	text := ""
	if at.inGo {
		text = CreatedBy(at.frames)
	}
	if text == "" {
		return nil
	}
	c := k.of[text]
	if c == nil {
		c = &creator{id: uint32(len(k.of) + 1), created: created, text: text, timer: names.Match(at.frames[0].Func, names.TimerFunction)}
		k.of[text] = c
	}
	return c
}

// CreatedBy is the value of the label go.created_by for a goroutine that was started at a place, given its frames: the
// function and the line, as pprof prints them but without folders, "net/http.(*Server).Serve server.go:3454". A function
// with a go statement in it is never inlined. It is empty for the goroutine that the runtime starts first, as in the
// runtime's own tracebacks.
func CreatedBy(frames []symbolize.Frame) string {
	if len(frames) == 0 || names.Match(names.Assembly(frames[0].Func), names.ThreadStart) {
		return ""
	}
	f := &frames[0]
	if f.File == "" || f.File == "?" {
		return f.Func
	}
	return f.Func + " " + path.Base(f.File) + ":" + strconv.Itoa(f.Line)
}
