// Package settings reads files of settings: YAML with one value, or a list of values, for each key.
package settings

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Setting is a key with what it is set to, at least one value.
type Setting struct {
	Key    string
	Values []string
	List   bool
	Line   int
}

const maxFile = 1 << 20 // bytes

// Read reads all settings, in the order of the file. Errors name the line.
func Read(r io.Reader) ([]Setting, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxFile {
		return nil, errors.New("more than 1 MiB")
	}
	var doc, more yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, nil // nothing but comments
	} else if err != nil {
		return nil, errors.New(strings.TrimPrefix(strings.Join(strings.Fields(err.Error()), " "), "yaml: "))
	}
	if err := d.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one document")
	}
	return list(doc.Content[0])
}

func list(m *yaml.Node) ([]Setting, error) {
	if m.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("line %d: want KEY: VALUE", m.Line)
	}
	var all []Setting
	seen := make(map[string]int)
	for i := 0; i+1 < len(m.Content); i += 2 {
		s, err := setting(m.Content[i], m.Content[i+1])
		if err != nil {
			return nil, err
		}
		if line := seen[s.Key]; line > 0 {
			return nil, fmt.Errorf("line %d: %s is set in line %d", s.Line, s.Key, line)
		}
		seen[s.Key] = s.Line
		all = append(all, s)
	}
	return all, nil
}

func setting(key, value *yaml.Node) (Setting, error) {
	if key.Kind != yaml.ScalarNode {
		return Setting{}, fmt.Errorf("line %d: want KEY: VALUE", key.Line)
	}
	s := Setting{Key: key.Value, Line: key.Line}
	values := []*yaml.Node{value}
	if value.Kind == yaml.SequenceNode {
		values, s.List = value.Content, true
	}
	for _, v := range values {
		if v.Kind != yaml.ScalarNode || v.Tag == "!!null" {
			return s, fmt.Errorf("line %d: %s: want a value, or a list of values", v.Line, s.Key)
		}
		s.Values = append(s.Values, v.Value)
	}
	if len(s.Values) == 0 {
		return s, fmt.Errorf("line %d: %s: the list is empty", s.Line, s.Key)
	}
	return s, nil
}
