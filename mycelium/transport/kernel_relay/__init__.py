"""Datagrams that the kernel passes on between two addresses, by rules of nftables that are gone with this process."""
