package main

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"time"

	"github.com/mayfly-profiler/mayfly/testdata/run"
)

// chacha20poly1305's assembly has a large frame and keeps an aligned pointer into it in the frame pointer
// register. Of the standard library, TLS alone has that cipher.
func init() {
	kinds = append(kinds, &kind{Name: "chacha", Function: "main.doChaCha", do: doChaCha})
}

var sealed = must(handshake())

//go:noinline
func doChaCha() { must(sealed.Write(text)) }

// sink is a connection that goes nowhere once it is set.
type sink struct {
	net.Conn
	set bool
}

func (s *sink) Write(b []byte) (int, error) {
	if s.set {
		return len(b), nil
	}
	return s.Conn.Write(b)
}

// handshake returns a TLS connection that seals by chacha20poly1305, and sends it nowhere.
func handshake() (*tls.Conn, error) {
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	here, there := net.Pipe()
	go func() {
		server := tls.Server(there, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert}, PrivateKey: key}}})
		run.Check(server.Handshake())
	}()
	s := &sink{Conn: here}
	c := tls.Client(s, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12,
		CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256}})
	err = c.Handshake()
	s.set = true
	return c, err
}
