package when

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Objective is a condition that requests are to meet: a quantile or the mean of how long they take is below a bound, which is
// more than 0.
type Objective struct {
	Condition
}

// ParseObjective reads "p99<800ms", "p99.9(endpoint=/fulfil)<1s", "mean<50ms": a Condition with <. The labels say which requests
// are meant; a KEY alone is the label whose values tell one request from another. The error says what is wrong.
func ParseObjective(text string) (Objective, error) {
	c, err := parse(text)
	switch {
	case err != nil:
	case c.Stat != Quantile && c.Stat != Mean:
		err = fmt.Errorf("%s is no objective: a quantile or mean is", c.Stat)
	case c.Op != "<":
		err = fmt.Errorf("an objective is below its bound: <, not %s", c.Op)
	case c.Bound == 0:
		err = errors.New("nothing takes less than 0")
	}
	if err != nil {
		return Objective{}, fmt.Errorf("slo %.80q: %w; write it like p99<800ms or p99(endpoint=/orders)<800ms", text, err)
	}
	c.text = c.written()
	return Objective{*c}, nil
}

// Limit is how long a request may take, exclusive.
func (o *Objective) Limit() time.Duration { return time.Duration(o.Bound) }

// Budget is the share of requests that may take longer: 0.01 for p99; 0 for the mean, which has none.
func (o *Objective) Budget() float64 {
	if o.Stat == Mean {
		return 0
	}
	return 1 - o.Quantile
}

// Breach is the condition that holds when the objective is not met.
func (o *Objective) Breach() *Condition {
	c := o.Condition
	c.Op = ">="
	c.text = c.written()
	return &c
}

// String is the objective as it was written, without spaces that say nothing.
func (o Objective) String() string { return o.text }

// written is the condition without spaces that say nothing; Parse reads it as the same.
func (c *Condition) written() string {
	text := string(c.Stat) + c.number
	var labels []string
	for _, l := range c.Labels {
		value := l.Value
		if value == "" || strings.ContainsAny(value, `,)"`) || strings.TrimSpace(value) != value || strconv.Quote(value) != `"`+value+`"` {
			value = strconv.Quote(value)
		}
		labels = append(labels, l.Key+"="+value)
	}
	if c.By != "" {
		labels = append(labels, c.By)
	}
	if len(labels) > 0 {
		text += "(" + strings.Join(labels, ",") + ")"
	}
	return text + c.Op + c.limit
}

// Matches says whether a set of labels has all that the condition asks for.
func (c *Condition) Matches(labels map[string]string) bool {
	return !slices.ContainsFunc(c.Labels, func(l Label) bool { v, ok := labels[l.Key]; return !ok || v != l.Value })
}
