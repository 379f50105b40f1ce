// Package when is the grammar of what people say about latencies, conditions (p99(endpoint=/fulfil)>800ms) and objectives
// (p99(endpoint=/fulfil)<800ms), and decides from the slices of a timeline recording whether a condition holds. It sees profiles
// and nothing else.
package when

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Condition is a parsed condition:
//
//	condition = stat [ "(" label { "," label } ")" ] op bound
//	stat      = "p" NUMBER | "mean" | "max" | "count"
//	label     = KEY "=" VALUE | KEY "=" QUOTED | KEY
//	op        = ">" | ">=" | "<" | "<="
//	bound     = DURATION, or NUMBER for count
//
// p99.9 and the like are quantiles between p0 and p100, both excluded, by nearest rank. KEY=VALUE
// selects goroutines; all of them have to match. A KEY alone, at most one, makes one latency of all goroutines
// that share its value, where else each goroutine has latencies of its own. Without labels latencies are those of requests.
type Condition struct {
	Stat     Stat
	Quantile float64 // of Stat Quantile: 0.99
	Labels   []Label
	By       string // key of the bare label; "" is none
	Op       string
	Bound    float64 // ns, or a number for Count

	text          string
	number, limit string // how Quantile and Bound were written: 99.9, 800ms
}

// Label is one that goroutines must carry.
type Label struct{ Key, Value string }

// Stat is what is computed of the latencies.
type Stat string

const (
	Quantile Stat = "p"
	Mean     Stat = "mean"
	Max      Stat = "max"
	Count    Stat = "count"
)

const (
	maxText   = 4096 // bytes of a condition
	maxLabels = 16
)

// String is the condition as it was written.
func (c *Condition) String() string { return c.text }

// Parse reads a condition. The error says what is wrong and shows one that is right.
func Parse(text string) (*Condition, error) {
	c, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("condition %.80q: %w; write it like p99(endpoint=/orders)>800ms", text, err)
	}
	return c, nil
}

func parse(text string) (*Condition, error) {
	if len(text) > maxText {
		return nil, errors.New("too long")
	}
	c := &Condition{text: text}
	end := strings.IndexAny(text, "(<>=")
	if end < 0 {
		return nil, errors.New("no >, >=, < or <=")
	}
	if err := c.stat(strings.TrimSpace(text[:end])); err != nil {
		return nil, err
	}
	rest := text[end:]
	if rest[0] == '(' {
		var err error
		if rest, err = c.labels(rest[1:]); err != nil {
			return nil, err
		}
	}
	return c, c.bound(strings.TrimSpace(rest))
}

func (c *Condition) stat(s string) error {
	switch Stat(s) {
	case Mean, Max, Count:
		c.Stat = Stat(s)
		return nil
	}
	number, ok := strings.CutPrefix(s, "p")
	q, err := strconv.ParseFloat(number+"e-2", 64) // and not by 100: 99.9 / 100 is more than 0.999, and so one rank too high
	if plain := strings.Trim(number, "0123456789.") == ""; !ok || err != nil || !plain {
		return fmt.Errorf("%q is not pNN, mean, max or count", s)
	}
	if !(q > 0 && q < 1) {
		return fmt.Errorf("p%s is not between p0 and p100", number)
	}
	c.Stat, c.Quantile, c.number = Quantile, q, number
	return nil
}

// labels reads up to the closing parenthesis and returns what follows.
func (c *Condition) labels(s string) (string, error) {
	for n := 0; ; n++ {
		if n == maxLabels {
			return "", errors.New("too many labels")
		}
		end := strings.IndexAny(s, "=,)")
		if end < 0 {
			return "", errors.New("no ) after the labels")
		}
		key, op := strings.TrimSpace(s[:end]), s[end]
		if key == "" {
			return "", errors.New("a label without a key")
		}
		s = s[end+1:]
		if op != '=' && c.By != "" {
			return "", fmt.Errorf("both %s and %s without a value: one at most", c.By, key)
		}
		if op != '=' {
			c.By = key
		} else {
			value, rest, err := labelValue(s)
			if err != nil {
				return "", err
			}
			c.Labels = append(c.Labels, Label{key, value})
			op, s = rest[0], rest[1:]
		}
		if op == ')' {
			return s, nil
		}
	}
}

// labelValue reads a value; what follows begins with a comma or a closing parenthesis.
func labelValue(s string) (value, rest string, err error) {
	s = strings.TrimLeft(s, " ")
	if strings.HasPrefix(s, `"`) {
		quoted, err := strconv.QuotedPrefix(s)
		if err != nil {
			return "", "", errors.New("a quoted value that does not end")
		}
		value, err = strconv.Unquote(quoted)
		rest = strings.TrimLeft(s[len(quoted):], " ")
		if err != nil || rest == "" || rest[0] != ',' && rest[0] != ')' {
			return "", "", fmt.Errorf("after %s: no , or )", quoted)
		}
		return value, rest, nil
	}
	end := strings.IndexAny(s, ",)")
	if end < 0 {
		return "", "", errors.New("no ) after the labels")
	}
	return strings.TrimSpace(s[:end]), s[end:], nil
}

func (c *Condition) bound(s string) error {
	number := strings.TrimLeft(s, "<>=")
	c.Op = s[:len(s)-len(number)]
	switch c.Op {
	case ">", ">=", "<", "<=":
	default:
		return errors.New("no >, >=, < or <= before the bound")
	}
	number = strings.Join(strings.Fields(number), "")
	c.limit = number
	if c.Stat == Count {
		n, err := strconv.ParseFloat(number, 64)
		if err != nil || math.IsNaN(n) || math.IsInf(n, 0) || n < 0 {
			return fmt.Errorf("%q is no number", number)
		}
		c.Bound = n
		return nil
	}
	d, err := time.ParseDuration(number)
	if err != nil || d < 0 {
		return fmt.Errorf("%q is no duration", number)
	}
	c.Bound = float64(d)
	return nil
}

// holds says whether a value is what the condition asks for.
func (c *Condition) holds(v float64) bool {
	switch c.Op {
	case ">":
		return v > c.Bound
	case ">=":
		return v >= c.Bound
	case "<":
		return v < c.Bound
	}
	return v <= c.Bound
}
