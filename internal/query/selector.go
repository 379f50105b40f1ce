package query

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// matcher is one of a selector.
type matcher struct{ key, operator, value string }

// key is the name of a label as Prometheus and all versions of Pyroscope take it.
var key = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

// operators are those of selectors (Prometheus, "Time series selectors").
var operators = regexp.MustCompile(`!=|=~|!~|=`)

// readMatcher reads KEY=VALUE of a URL's query, or with another operator. The value's percent signs are of the URL; a plus is one.
func readMatcher(part string) (m matcher, err error) {
	at := operators.FindStringIndex(part)
	if at == nil || !key.MatchString(part[:at[0]]) {
		return m, errors.New("behind ? are from, until, step, type and labels, as KEY=VALUE with & between them; " +
			"a KEY is letters, digits and underscores")
	}
	m.key, m.operator = part[:at[0]], part[at[0]:at[1]]
	if m.value, err = url.PathUnescape(part[at[1]:]); err != nil {
		return m, fmt.Errorf("%s: its value has a percent sign that is none of a URL: write %%25", m.key)
	}
	return m, nil
}

// selector is what the server is asked for. A string in it is one of Go's (Prometheus, "String literals").
func selector(all []matcher) string {
	var text []string
	for _, m := range all {
		text = append(text, m.key+m.operator+strconv.Quote(m.value))
	}
	return "{" + strings.Join(text, ",") + "}"
}

var errSelector = errors.New("want the selector as Parca has it, NAME:TYPE:UNIT:PERIOD_TYPE:PERIOD_UNIT:delta{LABEL=\"VALUE\"}, such as " +
	defaultType + delta + "{job=\"shop\"}")

// readMatchers reads what stands between the braces of a selector: KEY="VALUE" with commas between them, and strings as Go has them.
func readMatchers(text string) (all []matcher, err error) {
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		at := operators.FindStringIndex(text)
		if at == nil || !key.MatchString(strings.TrimSpace(text[:at[0]])) {
			return nil, errSelector
		}
		m := matcher{key: strings.TrimSpace(text[:at[0]]), operator: text[at[0]:at[1]]}
		text = strings.TrimSpace(text[at[1]:])
		quoted, err := strconv.QuotedPrefix(text)
		if err != nil {
			return nil, errSelector
		}
		if m.value, err = strconv.Unquote(quoted); err != nil || !utf8.ValidString(m.value) {
			return nil, errSelector
		}
		all = append(all, m)
		text = strings.TrimSpace(text[len(quoted):])
		if rest, more := strings.CutPrefix(text, ","); more {
			text = rest
		} else if text != "" {
			return nil, errSelector
		}
	}
	return all, nil
}
