package query

import (
	"bytes"
	"encoding/binary"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/pprof/profile"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/mayfly-profiler/mayfly/internal/samples"
	"github.com/mayfly-profiler/mayfly/internal/samples/hostile"
)

// serveParca is a server of Parca's query API that answers all alike, and what it was asked: as a Parca of July 2026, built from its
// source, answers.
func serveParca(t *testing.T, answer ...[]byte) (address string, asked *[]*http.Request, bodies *[][]byte) {
	t.Helper()
	asked, bodies = new([]*http.Request), new([][]byte)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		*asked, *bodies = append(*asked, r), append(*bodies, body)
		w.Header().Set("Content-Type", "application/grpc-web+proto")
		for _, frame := range answer {
			_, _ = w.Write(frame)
		}
	}))
	t.Cleanup(server.Close)
	return strings.Replace(server.URL, "http://", "parca://user:secret@", 1), asked, bodies
}

func webFrame(flags byte, text []byte) []byte {
	head := append([]byte{flags}, binary.BigEndian.AppendUint32(nil, uint32(len(text)))...)
	return append(head, text...)
}

var webOK = webFrame(0x80, []byte("grpc-status: 0\r\ngrpc-message: \r\n"))

// parcaAnswer is a QueryResponse with a profile: filtered is field 10, and pprof field 6.
func parcaAnswer(t *testing.T, p *profile.Profile) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := p.Write(&b); err != nil {
		t.Fatal(err)
	}
	m := protowire.AppendVarint(protowire.AppendTag(nil, 10, protowire.VarintType), 1)
	return webFrame(0, protowire.AppendBytes(protowire.AppendTag(m, 6, protowire.BytesType), b.Bytes()))
}

// parcaQuestion reads a QueryRequest.
func parcaQuestion(t *testing.T, frame []byte) (query string, start, end time.Time) {
	t.Helper()
	at := func(b []byte) time.Time {
		var n [3]uint64
		for len(b) > 0 {
			number, _, size := protowire.ConsumeTag(b)
			v, more := protowire.ConsumeVarint(b[size:])
			n[number] = v
			b = b[size+more:]
		}
		return time.Unix(int64(n[1]), int64(n[2]))
	}
	modes := make(map[protowire.Number]byte)
	whole := eachField(frame[5:], func(number protowire.Number, all, value []byte) {
		if value == nil {
			modes[number] = all[len(all)-1]
			return
		}
		eachField(value, func(number protowire.Number, _, value []byte) {
			switch number {
			case 1:
				query = string(value)
			case 2:
				start = at(value)
			case 3:
				end = at(value)
			}
		})
	})
	if !whole || modes[1] != 2 || modes[5] != 1 {
		t.Errorf("%v of %x", modes, frame)
	}
	return query, start, end
}

// A profile of Parca has the time and the length of the range: its own are of 2173, and none.
func TestFetchFromParca(t *testing.T) {
	p := hostile.New(2, "k")
	p.TimeNanos, p.DurationNanos, p.Period = 6406296911764217856, 0, 0
	address, asked, bodies := serveParca(t, parcaAnswer(t, p), webOK)
	c := &Client{Timeout: time.Minute, UserAgent: "mayfly/test", Header: http.Header{"X-Tenant": {"me"}}}
	body, err := ask(t.Context(), t, c, address+`/a:b:c:d:e:delta{job="shop", x=~"a,b\"c"}?from=-2h&until=now-1h&env!=prod`)
	if err != nil {
		t.Fatal(err)
	}
	got, err := samples.Read(bytes.NewReader(body), "answer")
	if err != nil {
		t.Fatal(err)
	}
	if got.TimeNanos != clock.Add(-2*time.Hour).UnixNano() || got.DurationNanos != int64(time.Hour) || len(got.Sample) != 2 {
		t.Errorf("%d samples of %d, %d", len(got.Sample), got.TimeNanos, got.DurationNanos)
	}
	query, start, end := parcaQuestion(t, (*bodies)[0])
	if want := `a:b:c:d:e:delta{job="shop",x=~"a,b\"c",env!="prod"}`; query != want || !start.Equal(clock.Add(-2*time.Hour)) ||
		!end.Equal(clock.Add(-time.Hour-1)) {
		t.Errorf("%s from %s to %s, want %s", query, start, end, want)
	}
	r := (*asked)[0]
	if user, password, _ := r.BasicAuth(); r.URL.Path != parcaMethod || user != "user" || password != "secret" ||
		r.Header.Get("X-Tenant") != "me" {
		t.Errorf("%s by %s, %v", r.URL, user, r.Header)
	}
}

func TestParcaRefuses(t *testing.T) {
	none := &profile.Profile{SampleType: []*profile.ValueType{{Type: "cpu", Unit: "nanoseconds"}}}
	for _, tt := range []struct {
		answer [][]byte
		want   string
	}{
		{[][]byte{parcaAnswer(t, none), webOK}, ErrNoData.Error()},
		{[][]byte{webFrame(0x80, []byte("grpc-status:3\r\ngrpc-message:failed to parse query"))}, "INVALID_ARGUMENT: failed to parse query"},
		{[][]byte{webFrame(0x80, []byte("grpc-status:12"))}, "UNIMPLEMENTED: is that the address of a Parca server?"},
		{[][]byte{webFrame(0x80, []byte("grpc-status:16"))}, "UNAUTHENTICATED: give USER:PASSWORD@ before the host, or --header"},
		{[][]byte{webFrame(0, nil), webOK}, "the answer has no profile: is that the address of a Parca server?"},
		{[][]byte{webFrame(0, []byte("\x32\x03abc")), webOK}, "the answer: not a pprof profile"},
		{[][]byte{webFrame(0, make([]byte, 2<<20)), webOK}, "too large: more than 1048576 bytes: ask for a shorter range"},
		{[][]byte{[]byte("<html>")}, "its answer is cut off: is the server up, and the port its HTTP port?"},
	} {
		address, _, _ := serveParca(t, tt.answer...)
		_, err := ask(t.Context(), t, &Client{Timeout: time.Minute}, address+`/{env="secret"}`)
		where := strings.Replace(address, "user:secret@", "", 1) + "/" + defaultType + delta + "?from="
		if err == nil || !strings.HasPrefix(err.Error(), where) || !strings.Contains(err.Error(), "Z: "+tt.want) ||
			strings.Contains(err.Error(), "secret") {
			t.Errorf("%v, want %s", err, tt.want)
		}
	}
}

func TestParseParca(t *testing.T) {
	for text, want := range map[string]string{
		"parca://h:7070": defaultType + delta + "{}", "parcas://h/?a=1": defaultType + delta + `{a="1"}`,
		`parca://h/{a="1", b != "2",}?c=~3`: defaultType + delta + `{a="1",b!="2",c=~"3"}`,
		"parca://h/n:a:b:c:d:delta{}":       "n:a:b:c:d:delta{}", `parca://h/%7Ba="%3F%2C"%7D`: defaultType + delta + `{a="?,"}`,
	} {
		all, err := Parse(text, clock)
		if err != nil || all[0].kind+all[0].selector != want || all[0].of != parca {
			t.Errorf("%s: %v, %v", text, all, err)
		}
	}
	for text, want := range map[string]string{
		"parca://h/shop": "want the selector", "parca://h/a:b:c:d:e": "does not end with :delta", "parca://h/a:b:c:d:e:x": "want the selector",
		"parca://h/{a": "want the selector", "parca://h/{a}": "want the selector", `parca://h/{a="secret}`: "want the selector",
		`parca://h/{a="1" b="2"}`: "want the selector", "parca://h/{a=secret}": "want the selector", "parca://h?secret": "behind ? are",
		`parca://h/{a="\xff"}`: "want the selector", "parca://": "want pyroscope://",
	} {
		if all, err := Parse(text, clock); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, %v", text, all, err)
		}
	}
}
