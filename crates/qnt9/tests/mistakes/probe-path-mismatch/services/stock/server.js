app.get('/api/v1/ready', async (req, res) => { await db.ping(); res.end(); });
app.listen(process.env.PORT || 8000);
