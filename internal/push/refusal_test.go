package push

import (
	"net/http"
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/samples/hostile"
)

// What Pyroscope refuses as nobody of its own was there to store it passes, and what it refuses for what it is does not.
func TestPyroscopeUnavailable(t *testing.T) {
	refuses := func(why string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { http.Error(w, why, http.StatusUnprocessableEntity) }
	}
	const pushing = "pushing IngestInput-pprof failed push series with index 0 and id  failed: "
	away := refuses(pushing + "unknown: rpc error: code = Unavailable desc = service is unavailable") // as one of August 2026 said it
	server, got := receiver(t, away, fine)
	s, _ := to(t, Pyroscope, server.URL)
	if _, err := send(t, s, hostile.New(1, "k")); err != nil || len(*got) != 2 {
		t.Errorf("%v after %d", err, len(*got))
	}
	server, got = receiver(t, refuses(pushing+"profile is too old"), fine)
	s, _ = to(t, Pyroscope, server.URL)
	if _, err := send(t, s, hostile.New(1, "k")); !OfProfile(err) || len(*got) != 1 {
		t.Errorf("%v after %d", err, len(*got))
	}
}
