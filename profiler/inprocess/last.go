package inprocess

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/mayfly-profiler/mayfly/export"
)

// Handler returns a handler that answers with the profile of the last seconds, in the manners of the package's Handler:
//
//	f, err := inprocess.StartFlightRecorder(inprocess.FlightOptions{Window: 30 * time.Second})
//	http.Handle("/debug/mayfly/last", f.Handler())
//	go tool pprof 'http://localhost:6060/debug/mayfly/last?seconds=10'
//
// Parameters: seconds, the whole window by default and at most; format. It is answered within a second or two, with 409 while
// another answer is in the making.
func (f *FlightRecorder) Handler() http.Handler { return lastHandler{f} }

type lastHandler struct{ f *FlightRecorder }

func (h lastHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !acceptable(w, r) {
		return
	}
	d, format, err := h.parse(r)
	if err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	rec, err := h.f.Last(d)
	switch {
	case errors.Is(err, ErrBusy):
		refuse(w, http.StatusConflict, err)
	case err != nil:
		refuse(w, http.StatusInternalServerError, err)
	default:
		respond(w, format, rec.Profile)
	}
}

func (h lastHandler) parse(r *http.Request) (d time.Duration, format export.Format, err error) {
	q, err := query(r.URL.RawQuery)
	if err != nil {
		return 0, format, err
	}
	most := int(h.f.window / time.Second)
	seconds, err := number(q, "seconds", most, most)
	if err != nil {
		return 0, format, err
	}
	format, err = formatOf(q)
	if err == nil && format.Timeline && !h.f.session.options.Keep.Timeline {
		err = fmt.Errorf("format %s: it shows a timeline, which this flight recorder does not keep", format.Name)
	}
	return time.Duration(seconds) * time.Second, format, err
}
