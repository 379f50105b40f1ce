package main

const sysUserfault = 323
