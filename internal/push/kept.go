package push

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
)

// A request is kept as three parts, the first two of which end with a newline: the SHA-256 of the others, what is to be known of it as
// JSON, and its body. Headers that a server was given are not in it: they may be secrets.

// MostKept is how large the file of a request that was kept may be, in bytes.
const MostKept = 64 << 20

// What a file that should be of a request that was kept can be instead.
var (
	ErrDamaged = errors.New("is damaged, or nothing that this version of mayfly keeps")
	ErrOther   = errors.New("is for a server of another protocol")
)

// kept is what is to be known of a request.
type kept struct {
	Version  string     `json:"version"` // of OTLP's profiles
	Protocol Protocol   `json:"protocol"`
	Service  string     `json:"service"`
	Samples  int        `json:"samples"`
	Types    int        `json:"sample_types"`
	Query    url.Values `json:"query"`
}

// Split is a profile as one for each of its requests, which are sent and kept by themselves.
func (p *Profile) Split() (list []*Profile) {
	for _, r := range p.requests {
		list = append(list, &Profile{Service: p.Service, Size: len(r.body), Samples: r.samples, Types: p.Types, requests: []request{r},
			query: p.query})
	}
	return list
}

// Keep writes a profile of one request so that Kept can read it, of a server of the same protocol.
func (s *Server) Keep(w io.Writer, p *Profile) error {
	if len(p.requests) != 1 {
		return fmt.Errorf("keep a profile: it is %d requests", len(p.requests))
	}
	about, err := json.Marshal(kept{version, s.Protocol, p.Service, p.Samples, p.Types, p.query})
	if err != nil {
		return err
	}
	rest := append(append(about, '\n'), p.requests[0].body...)
	if _, err = fmt.Fprintf(w, "%x\n", sha256.Sum256(rest)); err == nil {
		_, err = w.Write(rest)
	}
	return err
}

// Kept reads what Keep wrote. The error is ErrDamaged, ErrOther or the reader's.
func (s *Server) Kept(r io.Reader) (*Profile, error) {
	text, err := io.ReadAll(io.LimitReader(r, MostKept+1))
	if err != nil {
		return nil, err
	}
	sum, rest, _ := bytes.Cut(text, []byte("\n"))
	if is := sha256.Sum256(rest); len(text) > MostKept || string(sum) != hex.EncodeToString(is[:]) {
		return nil, ErrDamaged
	}
	about, body, _ := bytes.Cut(rest, []byte("\n"))
	var k kept
	switch err = json.Unmarshal(about, &k); {
	case err != nil || k.Samples < 0 || k.Types < 0 || k.Version != version:
		return nil, ErrDamaged
	case k.Protocol != s.Protocol:
		return nil, ErrOther
	}
	return &Profile{Service: k.Service, Size: len(body), Samples: k.Samples, Types: k.Types, requests: []request{{body, k.Samples}},
		query: k.Query}, nil
}
