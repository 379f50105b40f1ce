package inprocess

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/export"
	"github.com/mayfly-profiler/mayfly/internal/origin"
	"github.com/mayfly-profiler/mayfly/profiler"
)

// Bounds of the handlers' parameters.
const (
	defaultSeconds = 10
	maxSeconds     = 120 // one client holds the only session
)

// Handler returns a handler that records this process and answers with the profile, in the manners of
// net/http/pprof:
//
//	http.Handle("/debug/mayfly/profile", inprocess.Handler())
//	go tool pprof -http=: 'http://localhost:6060/debug/mayfly/profile?seconds=10'
//
// Parameters: seconds, 10 by default, up to 120; hz, 999 by default and at most; mode, wall (default) or cpu; engine,
// all but fgprof, which stops the world; format, pprof (default), folded or another of package export's. A
// query may only ask for less than the program allows. A value that it does not understand, or more, is
// answered with 400, a second request while one records with 409, and one that would
// outlast the server's WriteTimeout with 400, each with one line of text. A client that goes away ends its recording.
//
// A profile shows names of functions, files, labels and peers: serve it where net/http/pprof may be
// served.
func Handler() http.Handler { return HandlerWith(HandlerOptions{}) }

// HandlerOptions are the defaults of a handler, which are the most that a request may ask for, too.
type HandlerOptions struct {
	// Options say what is recorded.
	Options
	// Seconds is for how long; 0 is 10. A request may ask for 120 in any case.
	Seconds int
	// Column is the profile's default column; "" is cpu.
	Column string
}

// HandlerWith is Handler with other defaults.
func HandlerWith(o HandlerOptions) http.Handler {
	return handler{o.Options, cmp.Or(o.Seconds, defaultSeconds), o.Column}
}

type handler struct {
	options Options
	seconds int
	column  string
}

// request is what a client asks for.
type request struct {
	options Options
	length  time.Duration
	format  export.Format
}

func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !acceptable(w, r) {
		return
	}
	q, err := h.parse(r.URL.RawQuery)
	if err == nil {
		err = fits(r, q.length)
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	p, err := during(r, q)
	switch {
	case r.Context().Err() != nil: // nobody is there to answer to
	case errors.Is(err, ErrBusy):
		refuse(w, http.StatusConflict, err)
	case err != nil:
		refuse(w, http.StatusInternalServerError, err)
	default:
		h.prefer(p)
		respond(w, q.format, p)
	}
}

// acceptable answers what is no request for a profile, or may be somebody's who only has made a browser send it.
func acceptable(w http.ResponseWriter, r *http.Request) bool {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		refuse(w, http.StatusMethodNotAllowed, errors.New("only GET"))
		return false
	}
	if err := fromElsewhere(r); err != nil {
		refuse(w, http.StatusForbidden, err)
		return false
	}
	if r.ContentLength != 0 { // net/http sees a client go away only when it has read the body
		refuse(w, http.StatusBadRequest, errors.New("a body: what is asked for stands in the query"))
		return false
	}
	return true
}

// fromElsewhere refuses what somebody's page may have sent. A service has names of its own, but not on its loopback.
func fromElsewhere(r *http.Request) error {
	if err := origin.Site(r); err != nil {
		return err
	}
	if local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); ok && local.IP.IsLoopback() {
		return origin.Host(r)
	}
	return nil
}

func refuse(w http.ResponseWriter, code int, err error) {
	// As net/http/pprof marks its errors, so that go tool pprof shows the text.
	w.Header().Set("X-Go-Pprof", "1")
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Del("Content-Disposition")
	w.WriteHeader(code)
	fmt.Fprintln(w, err)
}

func query(raw string) (url.Values, error) {
	v, err := url.ParseQuery(raw)
	if err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	return v, nil
}

func formatOf(v url.Values) (export.Format, error) {
	return export.ByName(cmp.Or(v.Get("format"), "pprof"))
}

func (h handler) parse(raw string) (request, error) {
	q := request{options: h.options}
	v, err := query(raw)
	if err != nil {
		return q, err
	}
	seconds, err := number(v, "seconds", h.seconds, max(maxSeconds, h.seconds))
	if err != nil {
		return q, err
	}
	q.length = time.Duration(seconds) * time.Second
	if q.options.Rate, err = number(v, "hz", h.options.Rate, cmp.Or(h.options.Rate, profiler.DefaultRate)); err != nil {
		return q, err
	}
	if m := v.Get("mode"); m != "" {
		if q.options.Mode == profiler.CPU && m == string(profiler.Wall) {
			return q, errors.New("mode wall: cpu is what this program allows")
		}
		q.options.Mode = profiler.Mode(m)
	}
	if q.options.Mode == "" {
		q.options.Mode = profiler.Wall
	}
	if e := profiler.Engine(v.Get("engine")); e != "" {
		if e == profiler.FGProf && h.options.Engine != profiler.FGProf {
			return q, errors.New("engine fgprof: it stops the world, and is for the program to choose")
		}
		q.options.Engine = e
	}
	if q.format, err = formatOf(v); err != nil {
		return q, err
	}
	q.options.Keep.Timeline = q.options.Keep.Timeline || q.format.Timeline
	return q, q.options.validate()
}

// number is a whole parameter from 1 on, to a limit if that is not 0.
func number(v url.Values, name string, fallback, limit int) (int, error) {
	text := v.Get(name)
	if text == "" {
		return fallback, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || limit > 0 && n > limit {
		if limit == 0 {
			return 0, fmt.Errorf("%s %q: not a number from 1 on", name, text)
		}
		return 0, fmt.Errorf("%s %q: not a number from 1 to %d", name, text, limit)
	}
	return n, nil
}

// fits says no when the server would cut the answer off.
func fits(r *http.Request, d time.Duration) error {
	srv, ok := r.Context().Value(http.ServerContextKey).(*http.Server)
	if ok && srv.WriteTimeout != 0 && d >= srv.WriteTimeout {
		return fmt.Errorf("seconds %d: profile duration exceeds server's WriteTimeout, %s", int(d.Seconds()), srv.WriteTimeout)
	}
	return nil
}

// during records for as long as was asked, or until the client has gone.
func during(r *http.Request, q request) (*profile.Profile, error) {
	s, err := Start(q.options)
	if err != nil {
		return nil, err
	}
	t := time.NewTimer(q.length)
	defer t.Stop()
	select {
	case <-t.C:
	case <-r.Context().Done():
	}
	rec, err := s.Stop()
	if err != nil {
		return nil, err
	}
	return rec.Profile, nil
}

// prefer makes the handler's column the profile's default, if there is one.
func (h handler) prefer(p *profile.Profile) {
	for _, c := range p.SampleType {
		if c.Type == h.column {
			p.DefaultSampleType = h.column
		}
	}
}

func respond(w http.ResponseWriter, f export.Format, p *profile.Profile) {
	w.Header().Set("Content-Type", f.MIME)
	if f.Name != "folded" {
		w.Header().Set("Content-Disposition", `attachment; filename="mayfly`+f.Extensions[0]+`"`)
	}
	if err := f.Write(w, p, export.Options{}); err != nil {
		return // the client has gone, or its connection: there is no one to tell
	}
}
