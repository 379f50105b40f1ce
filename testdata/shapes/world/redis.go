package world

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// redis is as old as RESP 2: it knows no HELLO, and answers each other command after 30 ms with a string.
func redis(l net.Listener) error {
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			for in := bufio.NewReader(c); ; {
				name, err := command(in)
				if err != nil {
					return
				}
				answer := "-ERR unknown command\r\n"
				if !strings.EqualFold(name, "hello") {
					time.Sleep(30 * time.Millisecond)
					answer = "$4\r\nword\r\n"
				}
				if _, err := io.WriteString(c, answer); err != nil {
					return
				}
			}
		}()
	}
}

// command reads an array of strings and returns the first.
func command(in *bufio.Reader) (name string, err error) {
	var n int
	if _, err := fmt.Fscanf(in, "*%d\r\n", &n); err != nil {
		return "", err
	}
	for i := range 2 * n {
		line, err := in.ReadString('\n')
		if err != nil {
			return "", err
		}
		if i == 1 {
			name = strings.TrimSpace(line)
		}
	}
	return name, nil
}
