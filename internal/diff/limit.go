package diff

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"path"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/mayfly-profiler/mayfly/internal/samples"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// A budget says what is allowed whatever was before: so much time for a function, so much more than
// on the base side. An example:
//
//	limits:
//	  - func: encoding/json.*
//	    max_share: 12%
//	  - label: endpoint=/checkout
//	    column: blocked
//	    max: 30ms              # per second, per operation (--ops) or per request (--per)
//	  - state: sync.Mutex.Lock
//	    column: blocked
//	    max_increase: 10%
//	  - total: cpu
//	    max_increase: 3%

// Budget is a list of limits.
type Budget struct {
	Limits []Limit
}

// Result of a limit.
const (
	LimitKept      = "kept"
	LimitExceeded  = "exceeded"
	LimitUndecided = "undecided" // above the limit by no more than noise
	LimitUnmatched = "unmatched" // no row has the name: perhaps it is misspelt
)

// Limit is one limit of a budget, and what became of it.
type Limit struct {
	// Func is a pattern of path.Match for names without type arguments and closure numbers; * matches / too.
	Func   string `yaml:"func" json:"func,omitempty"`
	Label  string `yaml:"label" json:"label,omitempty"` // KEY=VALUE
	State  string `yaml:"state" json:"state,omitempty"`
	Total  string `yaml:"total" json:"total,omitempty"`   // a column
	Column string `yaml:"column" json:"column,omitempty"` // "" is cpu

	Max         Nanoseconds `yaml:"max" json:"max_ns,omitempty"` // per second, operation or request
	MaxShare    Fraction    `yaml:"max_share" json:"max_share,omitempty"`
	MaxIncrease Fraction    `yaml:"max_increase" json:"max_increase,omitempty"`

	Result string  `yaml:"-" json:"result"`
	Value  float64 `yaml:"-" json:"value"` // in the limit's unit
	Low    float64 `yaml:"-" json:"low"`   // the interval of Value
	High   float64 `yaml:"-" json:"high"`

	set map[string]bool // which of the three
}

// Nanoseconds is read from "30ms".
type Nanoseconds int64

// Fraction is read from "12%" or 0.12.
type Fraction float64

const (
	maxBudget = 1 << 20 // bytes
	maxLimits = 1000
)

// ReadBudget reads a budget from YAML. Unknown keys are errors: a misspelt limit never fires.
func ReadBudget(r io.Reader, name string) (*Budget, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxBudget+1))
	if err == nil && len(text) > maxBudget {
		err = fmt.Errorf("%w: more than 1 MiB", samples.ErrTooLarge)
	}
	if err != nil {
		return nil, fmt.Errorf("budget %s: %w", name, err)
	}
	b, err := parseBudget(text)
	if err != nil {
		return nil, fmt.Errorf("budget %s: %s", name, strings.Join(strings.Fields(err.Error()), " "))
	}
	return b, nil
}

func parseBudget(text []byte) (*Budget, error) {
	var doc struct {
		Limits []yaml.Node `yaml:"limits"`
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, errors.New("empty: want a list \"limits\"")
	} else if err != nil {
		return nil, err
	}
	if len(doc.Limits) == 0 || len(doc.Limits) > maxLimits {
		return nil, fmt.Errorf("%d limits: not between 1 and %d", len(doc.Limits), maxLimits)
	}
	b := &Budget{}
	for _, n := range doc.Limits {
		l, err := parseLimit(&n)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n.Line, err)
		}
		b.Limits = append(b.Limits, l)
	}
	return b, nil
}

// parseLimit decodes one limit, strictly: Node.Decode would ignore unknown keys.
func parseLimit(n *yaml.Node) (l Limit, err error) {
	text, err := yaml.Marshal(n)
	if err != nil {
		return l, err
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&l); err != nil {
		return l, err
	}
	l.set = make(map[string]bool)
	for i := 0; i+1 < len(n.Content); i += 2 {
		l.set[n.Content[i].Value] = true
	}
	return l, l.check()
}

func (l *Limit) check() error {
	subjects := 0
	for _, s := range []string{l.Func, l.Label, l.State, l.Total} {
		if s != "" {
			subjects++
		}
	}
	limits := 0
	for _, key := range []string{"max", "max_share", "max_increase"} {
		if l.set[key] {
			limits++
		}
	}
	switch {
	case subjects != 1:
		return errors.New("want one of func, label, state, total")
	case limits != 1:
		return errors.New("want one of max, max_share, max_increase")
	case l.Max < 0 || l.MaxShare < 0:
		return errors.New("a limit below zero")
	case l.Label != "" && !strings.Contains(l.Label, "="):
		return fmt.Errorf("label %q: want KEY=VALUE", l.Label)
	case l.Total != "" && l.Column != "":
		return errors.New("total names its column itself: total: cpu")
	case l.Total != "" && l.set["max_share"]:
		return errors.New("the share of a total is 100 %")
	}
	if _, err := path.Match(slashless(l.Func), ""); err != nil {
		return fmt.Errorf("func %q: %w", l.Func, err)
	}
	return nil
}

// UnmarshalYAML reads "30ms".
func (v *Nanoseconds) UnmarshalYAML(n *yaml.Node) error {
	d, err := time.ParseDuration(n.Value)
	if err != nil {
		return fmt.Errorf("%q is no duration such as 30ms", n.Value)
	}
	*v = Nanoseconds(d)
	return nil
}

// UnmarshalYAML reads "12%" and 0.12.
func (v *Fraction) UnmarshalYAML(n *yaml.Node) error {
	text, isPercent := strings.CutSuffix(strings.TrimSpace(n.Value), "%")
	f, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return fmt.Errorf("%q is no share such as 12%%", n.Value)
	}
	if isPercent {
		f /= 100
	}
	*v = Fraction(f)
	return nil
}

// By is what rows have to be for the limit.
func (l *Limit) By() By {
	switch {
	case l.Label != "":
		key, _, _ := strings.Cut(l.Label, "=")
		return By{Label: key}
	case l.State != "":
		return By{State: true}
	}
	return By{}
}

func (l *Limit) column() string {
	switch {
	case l.Total != "":
		return l.Total
	case l.Column != "":
		return l.Column
	}
	return sample.ColumnCPU
}

// subject names the limit's rows.
func (l *Limit) subject() string {
	switch {
	case l.Func != "":
		return l.Func
	case l.Label != "":
		return l.Label
	case l.State != "":
		return l.State
	}
	return "total"
}

// String is the limit as a line of a table: "encoding/json.* cpu <= 12%".
func (l *Limit) String() string {
	s := l.subject() + " " + l.column()
	switch {
	case l.set["max"]:
		return s + " <= " + time.Duration(l.Max).String()
	case l.set["max_share"]:
		return s + " <= " + percent(float64(l.MaxShare)) + " of the column"
	}
	return s + " <= " + signed(float64(l.MaxIncrease)) + " of base"
}

// matches says whether the limit is about a row.
func (l *Limit) matches(name string) bool {
	if l.Func == "" {
		return name == l.subject()
	}
	ok, err := path.Match(slashless(l.Func), slashless(name))
	return ok && err == nil
}

// slashless lets * match across the slashes of a package path, and takes (*T) and [...] as they are.
func slashless(name string) string {
	return strings.NewReplacer("/", "\x01", "(*", "\x02", "[...]", "\x03").Replace(name)
}
